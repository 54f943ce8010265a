"""Names and IDs of containers.

A name that nobody chose is an adjective and a surname of science, as Docker's are.
"""

from __future__ import annotations

import os

from ligan.errors import Conflict, Invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ligan.store.db import ReadTransaction

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
NAME_RULE = "[a-zA-Z0-9][a-zA-Z0-9_.-]"

_RETRIES = 5
"""Names tried before the container's short ID becomes its name (engine 20.10, daemon/names.go)."""


class NameTaken(Conflict):
    """Another container has the name."""

    def __init__(self, name: str, container: str) -> None:
        super().__init__(
            f'Conflict. The container name "/{name}" is already in use by container "{container}". '
            "You have to remove (or rename) that container to be able to reuse that name."
        )


def is_valid(name: str) -> bool:
    """Return whether the name has two characters at least, and none that Docker refuses."""
    return len(name) > 1 and name[0] in _FIRST and not set(name) - _REST


def checked(name: str) -> str:
    """Return a name that was asked for, without the slash it may begin with. Raises Invalid."""
    bare = name.removeprefix("/")
    if not is_valid(bare):
        raise Invalid(f"Invalid container name ({name}), only {NAME_RULE} are allowed")
    return bare


def check_free(tx: ReadTransaction, name: str) -> None:
    """Raise NameTaken where a container has the name."""
    holder = tx.value("SELECT id FROM container WHERE name = ?", (name,))
    if holder is not None:
        raise NameTaken(name, holder)


def new_id(random: Callable[[int], bytes] = os.urandom) -> str:
    """Return 64 random hexadecimal digits.

    The short form, which becomes the host name, is never a number (pkg/stringid of engine 20.10).
    """
    while True:
        digits = random(32).hex()
        if not digits[:12].isdecimal():
            return digits


def generated(tx: ReadTransaction, container: str, random: Callable[[int], bytes] = os.urandom) -> str:
    """Return a free name; the fallback is the short ID of the container that will have it."""
    for attempt in range(_RETRIES + 1):
        name = _random_name(random)
        if attempt:
            name += str(_below(10, random))
        if not tx.value("SELECT 1 FROM container WHERE name = ?", (name,)):
            return name
    return container[:12]


def _random_name(random: Callable[[int], bytes]) -> str:
    adjectives, surnames = _ADJECTIVES.split(), _SURNAMES.split()
    while True:
        name = f"{adjectives[_below(len(adjectives), random)]}_{surnames[_below(len(surnames), random)]}"
        if name != "boring_wozniak":  # he is not: Docker's one exception
            return name


def _below(limit: int, random: Callable[[int], bytes]) -> int:
    return int.from_bytes(random(4), "little") % limit


_ADJECTIVES = """
    able agile alert amber ample ancient apt ardent artful astute avid azure balanced bold boring brave
    breezy bright brisk buoyant calm candid careful cheerful civil clear clever cool cosy courteous crisp
    curious daring dazzling deft devoted diligent dreamy eager early earnest easy elegant eloquent epic even
    fair faithful famous fearless festive fine flowing fluent fond frank fresh frugal gallant generous gentle
    gifted glad golden good graceful grand grateful great happy hardy hearty helpful honest hopeful humble
    intent jolly jovial joyful keen kind laconic lasting lively loving loyal lucid lucky mellow merry mild
    mindful modest musing neat nice nimble noble observant open patient peaceful placid playful pleasant
    polite precise proud prudent quaint quick quiet ready regal relaxed resolute rustic sedate serene sharp
    silent sincere sleepy smart solid sound spirited stately steady still stoic strong sturdy subtle sunny
    sweet swift tender thankful thoughtful tidy tranquil trusting upbeat valiant vast vibrant vigilant vivid
    warm wise witty wonderful zealous zesty
"""

_SURNAMES = """
    abel agnesi airy ampere anning archimedes avogadro babbage banach banneker bassi bell bernoulli bessel
    bohr boltzmann bolzano boole bose brahe brahmagupta brunel burnell cannon cantor carson cauchy cavendish
    celsius cerf chandrasekhar chatelet chebyshev church clarke copernicus coulomb curie cuvier dalton darwin
    davy dedekind descartes dijkstra diophantus dirac dirichlet doppler eddington edison einstein engelbart
    eratosthenes euclid euler faraday fermat fermi feynman fibonacci fleming foucault fourier franklin fresnel
    galilei galois galvani gauss germain gibbs goeppert golgi goodall haller halley hamilton heisenberg
    helmholtz henry hermite hero herschel hertz hilbert hodgkin hopper hubble humboldt huygens hypatia jacobi
    jenner johnson joliot joule kelvin kepler kirchhoff kleene knuth koch kovalevsky lagrange lamarr landau
    laplace lavoisier leavitt legendre leibniz lick liskov linnaeus lorentz lovelace lumiere mach marconi
    maxwell mayer mcclintock meitner mendel mendeleev mirzakhani moore morse napier nash neumann newton nobel
    noether ohm oppenheimer oersted pascal pasteur pauling peano perlman planck poincare poisson ptolemy
    pythagoras raman ramanujan ride riemann ritchie rosalind rubin rutherford sagan shannon somerville
    swirles tesla thales thompson torricelli turing vaughan vesalius volta watt weierstrass wiles wing
    wozniak wright wu yalow zeno zuse
"""

"""Flags of `run` and `create`: docker's, without those of Windows, swarm and devices of vendors."""

from __future__ import annotations

from ligan.cli.flags import INTEGER, LIST, MAP, TEXT, Flag

_CGROUPNS = (
    "Cgroup namespace to use (host|private)\n"
    "'host':    Run the container in the Docker host's cgroup namespace\n"
    "'private': Run the container in its own private cgroup namespace\n"
    "'':        Use the cgroup namespace that fits the cgroup version (default)"
)
_HEALTH_START = (
    "Start period for the container to initialize before starting "
    "health-retries countdown (ms|s|m|h) (default 0s)"
)

CREATE_FLAGS = (
    Flag("add-host", "Add a custom host-to-IP mapping (host:ip)", kind=LIST),
    Flag("attach", "Attach to STDIN, STDOUT or STDERR", "a", LIST),
    Flag(
        "blkio-weight",
        "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
        kind="uint16",
    ),
    Flag("blkio-weight-device", "Block IO weight (relative device weight) (default [])", kind=LIST),
    Flag("cap-add", "Add Linux capabilities", kind=LIST),
    Flag("cap-drop", "Drop Linux capabilities", kind=LIST),
    Flag("cgroup-parent", "Optional parent cgroup for the container", kind=TEXT),
    Flag("cgroupns", _CGROUPNS, kind=TEXT),
    Flag("cidfile", "Write the container ID to the file", kind=TEXT),
    Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", kind=INTEGER),
    Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", kind=INTEGER),
    Flag("cpu-rt-period", "Limit CPU real-time period in microseconds", kind=INTEGER),
    Flag("cpu-rt-runtime", "Limit CPU real-time runtime in microseconds", kind=INTEGER),
    Flag("cpu-shares", "CPU shares (relative weight)", "c", INTEGER),
    Flag("cpus", "Number of CPUs", kind="decimal"),
    Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", kind=TEXT),
    Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", kind=TEXT),
    Flag("device", "Add a host device to the container", kind=LIST),
    Flag("device-cgroup-rule", "Add a rule to the cgroup allowed devices list", kind=LIST),
    Flag("device-read-bps", "Limit read rate (bytes per second) from a device (default [])", kind=LIST),
    Flag("device-read-iops", "Limit read rate (IO per second) from a device (default [])", kind=LIST),
    Flag("device-write-bps", "Limit write rate (bytes per second) to a device (default [])", kind=LIST),
    Flag("device-write-iops", "Limit write rate (IO per second) to a device (default [])", kind=LIST),
    Flag("dns", "Set custom DNS servers", kind=LIST),
    Flag("dns-option", "Set DNS options", kind=LIST),
    Flag("dns-search", "Set custom DNS search domains", kind=LIST),
    Flag("domainname", "Container NIS domain name", kind=TEXT),
    Flag("entrypoint", "Overwrite the default ENTRYPOINT of the image", kind=TEXT),
    Flag("env", "Set environment variables", "e", LIST),
    Flag("env-file", "Read in a file of environment variables", kind=LIST),
    Flag("expose", "Expose a port or a range of ports", kind=LIST),
    Flag("group-add", "Add additional groups to join", kind=LIST),
    Flag("health-cmd", "Command to run to check health", kind=TEXT),
    Flag("health-interval", "Time between running the check (ms|s|m|h) (default 0s)", kind="duration"),
    Flag("health-retries", "Consecutive failures needed to report unhealthy", kind=INTEGER),
    Flag("health-start-period", _HEALTH_START, kind="duration"),
    Flag("health-timeout", "Maximum time to allow one check to run (ms|s|m|h) (default 0s)", kind="duration"),
    Flag("hostname", "Container host name", "h", TEXT),
    Flag("init", "Run an init inside the container that forwards signals and reaps processes"),
    Flag("interactive", "Keep STDIN open even if not attached", "i"),
    Flag("ip", "IPv4 address (e.g., 172.30.100.104)", kind=TEXT),
    Flag("ip6", "IPv6 address (e.g., 2001:db8::33)", kind=TEXT),
    Flag("ipc", "IPC mode to use", kind=TEXT),
    Flag("label", "Set meta data on a container", "l", LIST),
    Flag("label-file", "Read in a line delimited file of labels", kind=LIST),
    Flag("link", "Add link to another container", kind=LIST),
    Flag("log-driver", "Logging driver for the container", kind=TEXT),
    Flag("log-opt", "Log driver options", kind=LIST),
    Flag("mac-address", "Container MAC address (e.g., 92:d0:c6:0a:29:33)", kind=TEXT),
    Flag("memory", "Memory limit", "m", "bytes"),
    Flag("memory-reservation", "Memory soft limit", kind="bytes"),
    Flag(
        "memory-swap",
        "Swap limit equal to memory plus swap: '-1' to enable unlimited swap",
        kind="bytes",
    ),
    Flag("memory-swappiness", "Tune container memory swappiness (0 to 100) (default -1)", kind=INTEGER),
    Flag("mount", "Attach a filesystem mount to the container", kind="mount"),
    Flag("name", "Assign a name to the container", kind=TEXT),
    Flag("network", "Connect a container to a network", kind="network"),
    Flag("net", "", kind="network"),
    Flag("network-alias", "Add network-scoped alias for the container", kind=LIST),
    Flag("no-healthcheck", "Disable any container-specified HEALTHCHECK"),
    Flag("oom-kill-disable", "Disable OOM Killer"),
    Flag("oom-score-adj", "Tune host's OOM preferences (-1000 to 1000)", kind=INTEGER),
    Flag("pid", "PID namespace to use", kind=TEXT),
    Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", kind=INTEGER),
    Flag("platform", "Set platform if server is multi-platform capable", kind=TEXT),
    Flag("privileged", "Give extended privileges to this container"),
    Flag("publish", "Publish a container's port(s) to the host", "p", LIST),
    Flag("publish-all", "Publish all exposed ports to random ports", "P"),
    Flag(
        "pull",
        'Pull image before running ("always", "missing", "never")',
        kind=TEXT,
        default="missing",
    ),
    Flag("quiet", "Suppress the pull output", "q"),
    Flag("read-only", "Mount the container's root filesystem as read only"),
    Flag("restart", "Restart policy to apply when a container exits", kind=TEXT, default="no"),
    Flag("rm", "Automatically remove the container and its associated anonymous volumes when it exits"),
    Flag("runtime", "Runtime to use for this container", kind=TEXT),
    Flag("security-opt", "Security Options", kind=LIST),
    Flag("shm-size", "Size of /dev/shm", kind="bytes"),
    Flag("stop-signal", "Signal to stop the container", kind=TEXT),
    Flag("stop-timeout", "Timeout (in seconds) to stop a container", kind=INTEGER),
    Flag("storage-opt", "Storage driver options for the container", kind=LIST),
    Flag("sysctl", "Sysctl options (default map[])", kind=MAP),
    Flag("tmpfs", "Mount a tmpfs directory", kind=LIST),
    Flag("tty", "Allocate a pseudo-TTY", "t"),
    Flag("ulimit", "Ulimit options (default [])", kind="ulimit"),
    Flag("user", "Username or UID (format: <name|uid>[:<group|gid>])", "u", TEXT),
    Flag("userns", "User namespace to use", kind=TEXT),
    Flag("uts", "UTS namespace to use", kind=TEXT),
    Flag("volume", "Bind mount a volume", "v", LIST),
    Flag("volume-driver", "Optional volume driver for the container", kind=TEXT),
    Flag("volumes-from", "Mount volumes from the specified container(s)", kind=LIST),
    Flag("workdir", "Working directory inside the container", "w", TEXT),
)

RUN_FLAGS = (
    *CREATE_FLAGS,
    Flag("detach", "Run container in background and print container ID", "d"),
    Flag("detach-keys", "Override the key sequence for detaching a container", kind=TEXT),
    Flag("sig-proxy", "Proxy received signals to the process", default="true"),
)

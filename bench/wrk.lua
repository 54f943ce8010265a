-- What wrk prints is for people; this is for bench_registry_server.py.
done = function(summary)
  io.write(string.format("requests=%d\nbytes=%d\nseconds=%f\n",
    summary.requests, summary.bytes, summary.duration / 1e6))
end

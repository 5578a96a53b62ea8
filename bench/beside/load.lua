-- wrk asks what a file lists, one request after the other; a line is a path, a tab and the Authorization header.
local asked, last = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do
    local path, authorization = line:match("([^\t]+)\t(.*)")
    asked[#asked + 1] = wrk.format("GET", path, { Authorization = authorization })
  end
end

function request()
  last = last % #asked + 1
  return asked[last]
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  local figures = { summary.requests, errors.status, broken, summary.duration, latency:percentile(50), latency:percentile(99) }
  io.write("FIGURES " .. table.concat(figures, " ") .. "\n")
end

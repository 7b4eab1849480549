-- Writes wrk's histogram to the file named by HISTOGRAM (with CONNECTIONS set too): "interval US", then a line "LATENCY COUNT" for each latency.
-- wrk has changed the histogram before it calls done(); guide.mjs takes that back.  No request() is defined here, so
-- that wrk sends its one prepared request without a call into Lua.
local ffi = require("ffi")
ffi.cdef([[typedef struct { uint64_t count, limit, min, max, data[]; } bench_stats;]])

-- Until a connection of the test sends its next request, on the average: as wrk works it out, in whole numbers.
local function interval(summary, connections)
    local each = math.floor(summary.requests / connections)
    return each > 0 and math.floor(summary.duration / each) or 0
end

local connections = tonumber(os.getenv("CONNECTIONS"))

function done(summary, latency)
    local stats = ffi.cast("bench_stats **", latency)[0]
    local file = assert(io.open(assert(os.getenv("HISTOGRAM"), "HISTOGRAM is not set"), "w"))
    file:write("interval ", interval(summary, connections), "\n")
    for us = 0, tonumber(stats.max) do
        local count = tonumber(stats.data[us])
        if count > 0 then file:write(us, " ", count, "\n") end
    end
    file:close()
end

# A script: it waits for this and that, and runs no loop.
require "open3"
12.times { Open3.capture3("echo a; echo b >&2; sleep 0.01") }
Thread.new { sleep 0.05 }.join
reader, writer = IO.pipe
Thread.new { 15.times { sleep 0.01; writer.write "x" }; writer.close }
while IO.select([reader], nil, nil, 2)
  break if reader.read_nonblock(10, exception: false).nil?
end
sleep 0.1
system("sleep 0.1")

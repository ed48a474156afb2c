# EventMachine waits by a function of Ruby's. The second argument says which callback blocks.
require "eventmachine"
EM.epoll if ARGV[0] == "epoll"
turns = 0
EM.run do
  EM.add_periodic_timer(0.03) do
    turns += 1
    sleep 0.2 if turns == ARGV[1].to_i
    EM.stop if turns > 12
  end
end

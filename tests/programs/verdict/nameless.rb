# Waits of different kinds, each from a line of its own, which nobody outside can tell.
require "eventmachine"; require "socket"
EM.epoll
srv = TCPServer.new("127.0.0.1", 0)
cli = TCPSocket.new("127.0.0.1", srv.addr[1])
doing = [-> { sleep 0.12 }, -> { IO.select([cli],nil,nil,0.14) }, -> { system("sleep 0.16") }, -> { e=Time.now+0.3; 1 while Time.now<e }, -> { IO.select(nil,nil,nil,0.18) }]
n=0
EM.run { EM.add_periodic_timer(0.02) { doing[n % 5].call; n += 1; EM.stop if n > 14 } }

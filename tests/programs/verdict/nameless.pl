# Waits of different kinds, each from a line of its own, which nobody outside can tell.
use strict; use EV; use IO::Socket::INET; use Time::HiRes;
my $srv = IO::Socket::INET->new(Listen=>1, LocalAddr=>"127.0.0.1") or die;
my $cli = IO::Socket::INET->new(PeerAddr=>"127.0.0.1:".$srv->sockport);
my @do = (
 sub { select(undef,undef,undef,0.12) },
 sub { my $r=''; vec($r, fileno($cli),1)=1; select($r,undef,undef,0.14) },
 sub { Time::HiRes::sleep(0.16) },
 sub { system("sleep 0.18") },
 sub { my $e=Time::HiRes::time()+0.3; 1 while Time::HiRes::time()<$e },
);
my $n=0;
my $t = EV::timer 0.01, 0.01, sub { $do[$n++ % @do]->(); EV::break if $n > 14 };
EV::run;

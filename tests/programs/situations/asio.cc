// Boost.Asio: a handler that looks a name up with resolve() where async_resolve() was meant, one
// that means it, and threads that share a loop with little to do. Arguments: "sync", "async" or
// "idle", and the name.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;
using std::chrono::milliseconds;

class Shop
{
  public:
    Shop(asio::io_context &io, const std::string &host) : resolver_(io), host_(host)
    {
    }

    void look_up()
    {
        boost::system::error_code error;
        auto found = resolver_.resolve(host_, "80", error); // STALL
        std::printf("%zu found\n", found.size());
    }

    void look_up_later()
    {
        auto print = [](auto, auto found) { std::printf("%zu found\n", found.size()); };
        resolver_.async_resolve(host_, "80", print);
    }

  private:
    tcp::resolver resolver_;
    std::string host_;
};

// Bursts of work with pauses between, so that each thread has had its turn at the events; then a
// long pause.
static void idle(asio::io_context &io)
{
    asio::steady_timer timer(io);
    std::vector<std::thread> threads;
    auto keep = asio::make_work_guard(io);
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&] { io.run(); });
    for (int burst = 0; burst < 8; burst++) {
        for (int i = 0; i < 200; i++)
            asio::post(io, [] { std::this_thread::sleep_for(milliseconds(1)); });
        std::this_thread::sleep_for(milliseconds(burst < 7 ? 150 : 1200));
    }
    keep.reset();
    for (auto &thread : threads)
        thread.join();
}

int main(int argc, char **argv)
{
    std::string situation = argc > 1 ? argv[1] : "async";
    asio::io_context io;
    if (situation == "idle") {
        idle(io);
        return 0;
    }
    Shop shop(io, argc > 2 ? argv[2] : "localhost");
    asio::steady_timer timer(io, milliseconds(20));
    timer.async_wait([&](auto) { situation == "sync" ? shop.look_up() : shop.look_up_later(); });
    io.run();
    return 0;
}

// A loop in C++: names to demangle, and a frame that is inlined.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

namespace shop
{
template <typename T> class Till
{
  public:
    __attribute__((noinline)) T pay(T amount);

  private:
    // clang-format off
    __attribute__((always_inline)) void inlined_wait() { struct timespec t = {0, 100 * 1000000}; nanosleep(&t, nullptr); } // STALL
    // clang-format on
};

template <typename T> T Till<T>::pay(T amount)
{
    inlined_wait();
    return amount + 1;
}
} // namespace shop

int main()
{
    struct epoll_event event = {};
    event.events = EPOLLIN;
    int loop = epoll_create1(0), ready = eventfd(1, 0);
    epoll_ctl(loop, EPOLL_CTL_ADD, ready, &event);
    epoll_wait(loop, &event, 1, -1);
    shop::Till<int> till;
    int change = till.pay(1);
    epoll_wait(loop, &event, 1, -1);
    return change - 2;
}

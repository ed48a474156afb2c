/* The suppressions that come with stalltrace: idle waits and teardown of runtimes, which are no
 * stall of the program's. Each is as narrow as can be, and shown like any other. */
#include <stdlib.h>

#include "suppress.h"

static const struct {
    const char *terms, *reason;
} builtin[] = {
    /* A tokio worker takes turns at the driver: the others park on a condition variable or futex
     * until there is work. That is their home wait. Only functions that do nothing but park are
     * named: `CachedParkThread::block_on`, say, has the whole program above it. std::thread::park
     * is not: a user's blocking receive from a std channel ends there as well. */
    {"frame:tokio::runtime::scheduler::multi_thread::park::*",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::scheduler::multi_thread::worker::Context::park",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::scheduler::multi_thread::worker::Context::park_timeout",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::scheduler::multi_thread::worker::Context::park_internal",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::thread_pool::park::*", "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::thread_pool::worker::Context::park",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::thread_pool::worker::Context::park_timeout",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::park::Inner::park", "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::park::Inner::park_timeout",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::park::CachedParkThread::park",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::runtime::park::CachedParkThread::park_timeout",
     "a worker of tokio's parks until there is work"},
    {"frame:tokio::park::thread::Inner::park", "a worker of tokio's parks until there is work"},
    {"frame:tokio::park::thread::Inner::park_timeout",
     "a worker of tokio's parks until there is work"},
    /* In a program without symbols such a wait looks like any other for a lock, so all are let go.
     */
    {"class:lock thread:tokio-r* !frame:*::*",
     "a worker of tokio's, without symbols, waits for work"},
    /* A worker that has ended is a thread of the pool again, and waits there for something to do:
     * nothing that could be a future is being run. */
    {"class:lock frame:tokio::runtime::blocking::pool::Inner::run "
     "!frame:tokio::runtime::blocking::pool::Task::run !frame:tokio::runtime::task::*",
     "a thread of tokio's blocking pool waits for work"},
    /* What is told to block may: another worker has taken the loop over, or it never was one's. A
     * worker is a task of the pool, too, and a loop may be run in one. */
    {"frame:tokio::*block_in_place*", "tokio has handed the loop over: it may block"},
    {"frame:tokio::runtime::blocking::pool::Inner::run !frame:tokio::runtime::scheduler::* "
     "!frame:tokio::runtime::thread_pool::worker::* !frame:tokio::runtime::basic_scheduler::*",
     "a task of tokio's blocking pool: it may block"},
    /* A runtime that is dropped waits for its blocking pool. */
    {"frame:tokio::runtime::blocking::shutdown::Receiver::wait",
     "a tokio runtime that is dropped waits for its blocking pool"},

    /* Of the threads that run one io_context of Asio's, one waits for events and the others for it.
     */
    {"class:lock caller:*asio::detail::posix_event::*",
     "a thread of Asio's waits for the one that waits for events"},
    {"class:lock caller:*asio::detail::conditionally_enabled_event::*",
     "a thread of Asio's waits for the one that waits for events"},
    {"class:lock caller:*asio::detail::scheduler::run",
     "a thread of Asio's waits for the one that waits for events"},
    {"class:lock caller:*asio::detail::scheduler::do_run_one",
     "a thread of Asio's waits for the one that waits for events"},

    /* A worker of Node's is there to be blocked: what computes or waits is moved into one so that
     * the main loop need not. */
    {"frame:node::worker::Worker::Run", "a worker of Node's is there to be blocked"},
    /* Node ends: V8's workers and the platform are joined, after the last callback has run. */
    {"frame:node::WorkerThreadsTaskRunner::Shutdown", "Node ends"},
    {"frame:node::NodePlatform::Shutdown", "Node ends"},
    {"frame:node::TearDownOncePerProcess", "Node ends"},
    {"frame:node::DisposePlatform", "Node ends"},
    {"frame:v8::internal::Isolate::Deinit", "Node ends"},
    /* The loop has run dry, and Node sees whether its workers still have something for it. Of what
     * the workers hand over, nothing waits by libuv's function. */
    {"call:pthread_cond_wait caller:uv_cond_wait frame:node::NodePlatform::DrainTasks",
     "Node's loop has run dry, and its workers may still have something for it"},

    /* Erlang's schedulers look for events now and then, and park when there is nothing to do. They
     * take processes off the CPU by themselves: no iteration is too long. */
    {"class:lock process:beam.smp frame:ethr_event_*wait",
     "a scheduler of Erlang's has nothing to do"},
    {"class:iteration process:beam.smp thread:*_scheduler",
     "Erlang's schedulers take processes off the CPU by themselves"},
    /* MariaDB's pool of threads: all but one wait for a connection that has something to do. */
    {"class:lock process:mariadbd frame:get_event",
     "a thread of MariaDB's pool waits for a connection"},

    /* uWSGI's threads take turns at accept: the one that has the lock waits there. */
    {"class:lock caller:wsgi_req_accept", "uWSGI's threads take turns at accept"},

    /* Python ends, and takes its objects apart: the loop's last iteration is over. */
    {"class:iteration frame:Py_FinalizeEx", "Python ends, after the loop's last iteration"},

    /* libuv makes its thread pool when it is first needed, and waits until the threads run. */
    {"call:sem_wait caller:uv_*sem_wait frame:uv_once",
     "libuv waits until the threads of its pool run"},
    /* libuv starts a child, and waits until that has begun its program: it says so by a pipe. */
    {"call:read frame:uv_spawn", "libuv waits until a child has begun its program"},
    /* The mutex that it shares with its pool's threads is held for a few instructions, and for as
     * long as the machine has no CPU for the thread that holds it. */
    {"class:lock stack:uv__work_done>uv_mutex_lock", "libuv takes over what its pool has done"},
    {"class:lock stack:uv__work_submit>...>uv_mutex_lock", "libuv hands work to its pool"},
    {"class:lock stack:uv__work_submit>uv_mutex_lock", "libuv hands work to its pool"},
    /* libuv joins its thread pool in a destructor, after exit() was called. */
    {"call:pthread_join frame:uv__threadpool_cleanup", "libuv ends its thread pool at exit"},
    {"call:pthread_join frame:uv_library_shutdown", "libuv ends its thread pool at exit"},

    /* eventlet's hub has timers alone, no descriptor: it sleeps until the first is due. */
    {"class:sleep frame:Hub.wait frame:BaseHub.run",
     "eventlet's hub has timers alone and sleeps until the first"},

    /* asyncio waits for a child when its descriptor has said that it has ended. */
    {"call:waitpid frame:*PidfdChildWatcher._do_wait",
     "asyncio fetches the status of a child that has ended"},

    /* Abseil measures how fast the processor's counter runs, once: it sleeps for a millisecond. */
    {"strict:yes class:sleep frame:absl::*base_internal::NominalCPUFrequency*",
     "Abseil measures the processor's counter, once"},

    /* A round trip to the X server takes microseconds, and toolkits cannot do without. One that is
     * over its threshold is a finding. */
    {"strict:yes frame:xcb_wait_for_reply*", "a round trip to the X server under its threshold"},
    {"strict:yes frame:xcb_request_check", "a round trip to the X server under its threshold"},
    {"strict:yes frame:_XReply", "a round trip to the X server under its threshold"},

    /* The main thread runs a loop like the others, and joins them when its own has ended. */
    {"call:pthread_join process:haproxy", "the main thread joins the others at the end"},
    {"call:pthread_join process:memcached", "the main thread joins the others at the end"},
};

void rules_add_builtin(struct rules *rules)
{
    for (size_t i = 0; i < COUNT_OF(builtin); i++) {
        char *message = NULL, *line = mem_printf("%s # %s", builtin[i].terms, builtin[i].reason);
        (void)rules_add(rules, line, NULL, i + 1, &message);
        free(message);
        free(line);
    }
}

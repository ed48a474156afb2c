/* The suppressions that come with stalltrace: idle waits and teardown of runtimes, which are no
 * stall of the program's. Each is as narrow as can be, and shown like any other. */
#include <stdlib.h>

#include "suppress.h"

static const char *const builtin[] = {
    /* A tokio worker takes turns at the driver: the others park on a condition variable or futex
     * until there is work. That is their home wait. Only functions that do nothing but park are
     * named: `CachedParkThread::block_on`, say, has the whole program above it. std::thread::park
     * is not: a user's blocking receive from a std channel ends there as well. */
    "frame:tokio::runtime::scheduler::multi_thread::park::*",
    "frame:tokio::runtime::scheduler::multi_thread::worker::Context::park",
    "frame:tokio::runtime::scheduler::multi_thread::worker::Context::park_timeout",
    "frame:tokio::runtime::scheduler::multi_thread::worker::Context::park_internal",
    "frame:tokio::runtime::thread_pool::park::*",
    "frame:tokio::runtime::thread_pool::worker::Context::park",
    "frame:tokio::runtime::thread_pool::worker::Context::park_timeout",
    "frame:tokio::runtime::park::Inner::park",
    "frame:tokio::runtime::park::Inner::park_timeout",
    "frame:tokio::runtime::park::CachedParkThread::park",
    "frame:tokio::runtime::park::CachedParkThread::park_timeout",
    "frame:tokio::park::thread::Inner::park",
    "frame:tokio::park::thread::Inner::park_timeout",
    /* In a program without symbols such a wait looks like any other for a lock, so all are let go.
     */
    "class:lock thread:tokio-r* !frame:*::*",
    /* A worker that has ended is a thread of the pool again, and waits there for something to do:
     * nothing that could be a future is being run. */
    ("class:lock frame:tokio::runtime::blocking::pool::Inner::run "
     "!frame:tokio::runtime::blocking::pool::Task::run !frame:tokio::runtime::task::*"),
    /* What is told to block may: another worker has taken the loop over, or it never was one's. A
     * worker is a task of the pool, too, and a loop may be run in one. */
    "frame:tokio::*block_in_place*",
    ("frame:tokio::runtime::blocking::pool::Inner::run !frame:tokio::runtime::scheduler::* "
     "!frame:tokio::runtime::thread_pool::worker::* !frame:tokio::runtime::basic_scheduler::*"),
    /* A runtime that is dropped waits for its blocking pool. */
    "frame:tokio::runtime::blocking::shutdown::Receiver::wait",

    /* Of the threads that run one io_context of Asio's, one waits for events and the others for it.
     */
    "class:lock caller:*asio::detail::posix_event::*",
    "class:lock caller:*asio::detail::conditionally_enabled_event::*",
    "class:lock caller:*asio::detail::scheduler::run",
    "class:lock caller:*asio::detail::scheduler::do_run_one",

    /* A worker of Node's is there to be blocked: what computes or waits is moved into one so that
     * the main loop need not. */
    "frame:node::worker::Worker::Run",
    /* Node ends: V8's workers and the platform are joined, after the last callback has run. */
    "frame:node::WorkerThreadsTaskRunner::Shutdown",
    "frame:node::NodePlatform::Shutdown",
    "frame:node::TearDownOncePerProcess",
    "frame:node::DisposePlatform",
    "frame:v8::internal::Isolate::Deinit",
    /* The loop has run dry, and Node sees whether its workers still have something for it. Of what
     * the workers hand over, nothing waits by libuv's function. */
    "call:pthread_cond_wait caller:uv_cond_wait frame:node::NodePlatform::DrainTasks",

    /* Erlang's schedulers look for events now and then, and park when there is nothing to do. They
     * take processes off the CPU by themselves: no iteration is too long. */
    "class:lock process:beam.smp frame:ethr_event_*wait",
    "class:iteration process:beam.smp thread:*_scheduler",
    /* MariaDB's pool of threads: all but one wait for a connection that has something to do. */
    "class:lock process:mariadbd frame:get_event",

    /* uWSGI's threads take turns at accept: the one that has the lock waits there. */
    "class:lock caller:wsgi_req_accept",

    /* Python ends, and takes its objects apart: the loop's last iteration is over. */
    "class:iteration frame:Py_FinalizeEx",

    /* libuv makes its thread pool when it is first needed, and waits until the threads run. */
    "call:sem_wait caller:uv_*sem_wait frame:uv_once",
    /* libuv joins its thread pool in a destructor, after exit() was called. */
    "call:pthread_join frame:uv__threadpool_cleanup",
    "call:pthread_join frame:uv_library_shutdown",

    /* eventlet's hub has timers alone, no descriptor: it sleeps until the first is due. */
    "class:sleep frame:Hub.wait frame:BaseHub.run",

    /* asyncio waits for a child when its descriptor has said that it has ended. */
    "call:waitpid frame:*PidfdChildWatcher._do_wait",

    /* A round trip to the X server takes microseconds, and toolkits cannot do without. One that is
     * over its threshold is a finding. */
    "strict:yes frame:xcb_wait_for_reply*",
    "strict:yes frame:xcb_request_check",
    "strict:yes frame:_XReply",

    /* The main thread runs a loop like the others, and joins them when its own has ended. */
    "call:pthread_join process:haproxy",
    "call:pthread_join process:memcached",
};

void rules_add_builtin(struct rules *rules)
{
    for (size_t i = 0; i < COUNT_OF(builtin); i++) {
        char *message = NULL;
        (void)rules_add(rules, builtin[i], "built in", &message);
        free(message);
    }
}

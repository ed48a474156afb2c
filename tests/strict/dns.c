/* Cases: names, and the numbers that need no looking up. */
#include "cases.h"

#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <arpa/nameser.h>
#include <resolv.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct addrinfo *list;
static const struct addrinfo numeric = {.ai_flags = AI_NUMERICHOST},
                             passive = {.ai_flags = AI_PASSIVE};

#define FINDS(situation, ...)                                                                      \
    CASE(getaddrinfo, situation)                                                                   \
    {                                                                                              \
        NOW((void)getaddrinfo(__VA_ARGS__));                                                       \
    }
FINDS(name, "localhost", "80", NULL, &list)
FINDS(numeric, "127.0.0.1", "80", NULL, &list)
FINDS(numeric_short, "127.1", "80", NULL, &list)
FINDS(numeric_six, "::1", "80", NULL, &list)
FINDS(numeric_scoped, "fe80::1%1", "80", NULL, &list)
FINDS(own, NULL, "80", NULL, &list)
FINDS(passive, NULL, "80", &passive, &list)
FINDS(numeric_only, "localhost", "80", &numeric, &list)
/* The port's name stands in a file that is read once in a while: the host is what is asked for. */
FINDS(numeric_with_service, "127.0.0.1", "http", NULL, &list)

static const struct sockaddr *loopback(void)
{
    static struct sockaddr_in a;
    a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return (const struct sockaddr *)&a;
}

static char host[NI_MAXHOST], service[NI_MAXSERV];

#define NAMES(situation, ...)                                                                      \
    CASE(getnameinfo, situation)                                                                   \
    {                                                                                              \
        const struct sockaddr *address = loopback();                                               \
        NOW((void)getnameinfo(address, sizeof(struct sockaddr_in), __VA_ARGS__));                  \
    }
NAMES(name, host, sizeof(host), NULL, 0, 0)
NAMES(name_required, host, sizeof(host), service, sizeof(service), NI_NAMEREQD)
NAMES(numeric, host, sizeof(host), service, sizeof(service), NI_NUMERICHOST | NI_NUMERICSERV)
NAMES(service_only, NULL, 0, service, sizeof(service), NI_NUMERICSERV)

CASE(gethostbyname, name)
{
    NOW(gethostbyname("localhost"));
}

CASE(gethostbyname, numeric)
{
    NOW(gethostbyname("127.0.0.1"));
}

CASE(gethostbyname2, name)
{
    NOW(gethostbyname2("localhost", AF_INET));
}

CASE(gethostbyname2, numeric)
{
    NOW(gethostbyname2("::1", AF_INET6));
}

CASE(gethostbyname_r, name)
{
    struct hostent entry, *found;
    char buf[1024];
    int error;
    NOW(gethostbyname_r("localhost", &entry, buf, sizeof(buf), &found, &error));
}

CASE(gethostbyname_r, numeric)
{
    struct hostent entry, *found;
    char buf[1024];
    int error;
    NOW(gethostbyname_r("127.0.0.1", &entry, buf, sizeof(buf), &found, &error));
}

CASE(gethostbyaddr, name)
{
    struct in_addr a = {htonl(INADDR_LOOPBACK)};
    NOW(gethostbyaddr(&a, sizeof(a), AF_INET));
}

/* ---- in the background ------------------------------------------------------------------------*/

#define IN_BACKGROUND(situation, mode, first, second)                                              \
    CASE(getaddrinfo_a, situation)                                                                 \
    {                                                                                              \
        static struct gaicb one, two;                                                              \
        struct gaicb *both[] = {&one, &two};                                                       \
        one = (struct gaicb){.ar_name = first};                                                    \
        two = (struct gaicb){.ar_name = second};                                                   \
        NOW(getaddrinfo_a(mode, both, 2, NULL));                                                   \
        while (gai_error(&one) == EAI_INPROGRESS || gai_error(&two) == EAI_INPROGRESS)             \
            gai_suspend((const struct gaicb *const *)both, 2, NULL);                               \
    }
IN_BACKGROUND(wait, GAI_WAIT, "localhost", "127.0.0.1")
IN_BACKGROUND(wait_for_second, GAI_WAIT, "127.0.0.1", "localhost")
IN_BACKGROUND(wait_numeric, GAI_WAIT, "127.0.0.1", "::1")
IN_BACKGROUND(nowait, GAI_NOWAIT, "localhost", "localhost")

#define SUSPENDS(situation, timeout)                                                               \
    CASE(gai_suspend, situation)                                                                   \
    {                                                                                              \
        static struct gaicb one;                                                                   \
        struct gaicb *asked[] = {&one};                                                            \
        const struct gaicb *wanted[] = {&one};                                                     \
        one = (struct gaicb){.ar_name = "127.0.0.1"};                                              \
        MUST(getaddrinfo_a(GAI_WAIT, asked, 1, NULL) == 0);                                        \
        NOW(gai_suspend(wanted, 1, timeout));                                                      \
    }
SUSPENDS(timeout, &a_while)
SUSPENDS(for_ever, NULL)
SUSPENDS(zero, &none)

/* ---- the resolver itself: it asks a port where nobody answers
 * ----------------------------------*/

CASE(res_nquery, name)
{
    struct __res_state state;
    unsigned char answer[512];
    memset(&state, 0, sizeof(state));
    MUST(res_ninit(&state) == 0);
    state.nscount = 1;
    state.retry = 1;
    state.nsaddr_list[0] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(1), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    NOW((void)res_nquery(&state, "a.test.", ns_c_in, ns_t_a, answer, sizeof(answer)));
}

/* ---- what else is looked up -------------------------------------------------------------------*/

CASE(getpwnam, name)
{
    NOW(getpwnam("root"));
}

CASE(getpwuid, number)
{
    NOW(getpwuid(0));
}

CASE(getgrgid, number)
{
    NOW(getgrgid(0));
}

CASE(getservbyname, name)
{
    NOW(getservbyname("http", "tcp"));
}

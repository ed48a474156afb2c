/* Bodies: the DNS resolver, asked through a name server of the trial's own, which answers late and
 * knows no name; and look-ups in the background. */
#include "selftest.h"

#include <resolv.h>

static int server;

/* Takes one question and answers that there is no such name. */
static void answer(void *unused)
{
    unsigned char packet[512];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    (void)unused;
    ssize_t n = recvfrom(server, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);
    if (n < 12)
        return;
    packet[2] |= 0x84; /* an answer, with authority */
    packet[3] = (unsigned char)((packet[3] & 0x70) | 0x80 | 3);
    sendto(server, packet, (size_t)n, 0, (struct sockaddr *)&from, len);
}

static void use_server(struct trial *t, struct __res_state *state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    server = keep_fd(t, socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (bind(server, (struct sockaddr *)&address, len) != 0 ||
        getsockname(server, (struct sockaddr *)&address, &len) != 0)
        fail(t, "name server: %s", strerror(errno));
    state->nscount = 1;
    state->nsaddr_list[0] = address;
    state->retrans = 30;
    state->retry = 1;
    state->options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES | RES_ROTATE);
    state->_u._ext.nscount = 0;
    release_by(t, answer, NULL);
}

static unsigned char reply[512];

#define ASK(symbol, detail, ...)                                                                   \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        res_init();                                                                                \
        use_server(t, &_res);                                                                      \
        expect(t, ST_DNS, "%s", detail);                                                           \
        CALLED(t, call(__VA_ARGS__, reply, sizeof(reply)));                                        \
        res_init();                                                                                \
    }
#define ASK_N(symbol, detail, ...)                                                                 \
    TEST(symbol, HANGS)                                                                            \
    {                                                                                              \
        static struct __res_state state;                                                           \
        memset(&state, 0, sizeof(state));                                                          \
        NEED(t, res_ninit(&state) == 0);                                                           \
        use_server(t, &state);                                                                     \
        expect(t, ST_DNS, "%s", detail);                                                           \
        CALLED(t, call(&state, __VA_ARGS__, reply, sizeof(reply)));                                \
        res_nclose(&state);                                                                        \
    }
static const unsigned char question[] = "\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1";

ASK(res_query, "a.test.", "a.test.", ns_c_in, ns_t_a)
ASK(res_search, "a.test.", "a.test.", ns_c_in, ns_t_a)
ASK(res_querydomain, "a", "a", "test.", ns_c_in, ns_t_a)
ASK(res_send, "", question, (int)sizeof(question) - 1)
ASK_N(res_nquery, "a.test.", "a.test.", ns_c_in, ns_t_a)
ASK_N(res_nsearch, "a.test.", "a.test.", ns_c_in, ns_t_a)
ASK_N(res_nquerydomain, "a", "a", "test.", ns_c_in, ns_t_a)
ASK_N(res_nsend, "", question, (int)sizeof(question) - 1)

TEST(__res_init, QUICK)
{
    CALLED(t, call());
}

TEST(__res_ninit, QUICK)
{
    static struct __res_state state;
    memset(&state, 0, sizeof(state));
    CALLED(t, call(&state));
    res_nclose(&state);
}

/* ---- by address -------------------------------------------------------------------------------*/

static const struct in_addr loopback = {0x0100007f};

TEST(gethostbyaddr, QUICK)
{
    struct hostent *host = CALLED(t, call(&loopback, sizeof(loopback), AF_INET));
    digest_text(t, host ? host->h_name : "none");
}

TEST(gethostbyaddr_r, QUICK)
{
    struct hostent host, *found = NULL;
    char buf[4096];
    int error = 0;
    CALLED(t, call(&loopback, sizeof(loopback), AF_INET, &host, buf, sizeof(buf), &found, &error));
    digest_text(t, found ? host.h_name : "none");
}

/* ---- in the background ------------------------------------------------------------------------*/

TEST(getaddrinfo_a, QUICK)
{
    struct gaicb one = {.ar_name = "localhost"}, *list[] = {&one};
    expect(t, ST_DNS, "localhost");
    CALLED(t, call(GAI_WAIT, list, 1, NULL));
    digest_number(t, gai_error(&one));
    freeaddrinfo(one.ar_result);
}

TEST(gai_suspend, QUICK)
{
    struct gaicb one = {.ar_name = "localhost"}, *list[] = {&one};
    const struct gaicb *const wanted[] = {&one};
    NEED(t, getaddrinfo_a(GAI_NOWAIT, list, 1, NULL) == 0);
    int r = CALLED(t, call(wanted, 1, NULL));
    result_is(t, r == 0 || r == EAI_ALLDONE);
    while (gai_error(&one) == EAI_INPROGRESS)
        usleep(1000);
    freeaddrinfo(one.ar_result);
}

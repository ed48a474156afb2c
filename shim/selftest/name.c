/* Bodies: look-ups of names. Only what /etc/hosts answers: there need not be a network. */
#include "selftest.h"

#include <arpa/inet.h>

TEST(getaddrinfo, QUICK)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    expect(t, ST_DNS, "localhost");
    CALLED(t, call("localhost", "80", &hints, &list));
    if (list) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)list->ai_addr;
        digest_text(t, inet_ntoa(a->sin_addr));
        digest_number(t, ntohs(a->sin_port));
        freeaddrinfo(list);
    }
}

TEST(getnameinfo, QUICK)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char host[256] = "", service[32] = "";
    expect(t, ST_DNS, "~127.0.0.1");
    CALLED(t, call((struct sockaddr *)&address, sizeof(address), host, sizeof(host), service,
                   sizeof(service), NI_NUMERICSERV));
    digest_text(t, host);
    digest_text(t, service);
}

static void digest_host(struct trial *t, const struct hostent *host)
{
    struct in_addr address;
    if (!host || host->h_addrtype != AF_INET || !host->h_addr_list[0])
        return;
    memcpy(&address, host->h_addr_list[0], sizeof(address));
    digest_text(t, host->h_name);
    digest_text(t, inet_ntoa(address));
}

TEST(gethostbyname, QUICK)
{
    expect(t, ST_DNS, "localhost");
    digest_host(t, CALLED(t, call("localhost")));
}

TEST(gethostbyname2, QUICK)
{
    expect(t, ST_DNS, "localhost");
    digest_host(t, CALLED(t, call("localhost", AF_INET)));
}

TEST(gethostbyname_r, QUICK)
{
    struct hostent host, *found = NULL;
    char buf[4096];
    int error = 0;
    expect(t, ST_DNS, "localhost");
    CALLED(t, call("localhost", &host, buf, sizeof(buf), &found, &error));
    digest_host(t, found);
}

TEST(gethostbyname2_r, QUICK)
{
    struct hostent host, *found = NULL;
    char buf[4096];
    int error = 0;
    expect(t, ST_DNS, "localhost");
    CALLED(t, call("localhost", AF_INET, &host, buf, sizeof(buf), &found, &error));
    digest_host(t, found);
}

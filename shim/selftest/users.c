/* Bodies: users, groups, services, protocols and the rest of NSS. What a minimal system knows, or
 * does not know in the same way each time. */
#include "selftest.h"

enum { SPACE = 16384 };

static char space[SPACE];

/* ---- looked up by a key -----------------------------------------------------------------------*/

#define FIND(symbol, detail, type, field, ...)                                                     \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        expect(t, ST_DNS, "%s", detail);                                                           \
        type *found = CALLED(t, call(__VA_ARGS__));                                                \
        digest_text(t, found ? found->field : "none");                                             \
    }
#define FIND_R(symbol, detail, type, field, ...)                                                   \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        type entry, *found = NULL;                                                                 \
        int host_error = 0;                                                                        \
        (void)host_error;                                                                          \
        expect(t, ST_DNS, "%s", detail);                                                           \
        CALLED(t, call(__VA_ARGS__));                                                              \
        digest_text(t, found ? found->field : "none");                                             \
    }
#define REST &entry, space, sizeof(space), &found
FIND(getpwnam, "root", struct passwd, pw_name, "root")
FIND(getpwuid, "0", struct passwd, pw_name, 0)
FIND_R(getpwnam_r, "root", struct passwd, pw_name, "root", REST)
FIND_R(getpwuid_r, "0", struct passwd, pw_name, 0, REST)
FIND(getgrnam, "root", struct group, gr_name, "root")
FIND(getgrgid, "0", struct group, gr_name, 0)
FIND_R(getgrnam_r, "root", struct group, gr_name, "root", REST)
FIND_R(getgrgid_r, "0", struct group, gr_name, 0, REST)
FIND(getspnam, "root", struct spwd, sp_namp, "root")
FIND_R(getspnam_r, "root", struct spwd, sp_namp, "root", REST)
FIND(getservbyname, "http", struct servent, s_name, "http", "tcp")
FIND_R(getservbyname_r, "http", struct servent, s_name, "http", "tcp", REST)
FIND(getservbyport, "80", struct servent, s_name, htons(80), "tcp")
FIND_R(getservbyport_r, "80", struct servent, s_name, htons(80), "tcp", REST)
FIND(getprotobyname, "tcp", struct protoent, p_name, "tcp")
FIND_R(getprotobyname_r, "tcp", struct protoent, p_name, "tcp", REST)
FIND(getprotobynumber, "6", struct protoent, p_name, 6)
FIND_R(getprotobynumber_r, "6", struct protoent, p_name, 6, REST)
FIND(getnetbyname, "loopback", struct netent, n_name, "loopback")
FIND_R(getnetbyname_r, "loopback", struct netent, n_name, "loopback", REST, &host_error)
FIND(getrpcbyname, "portmapper", struct rpcent, r_name, "portmapper")
FIND_R(getrpcbyname_r, "portmapper", struct rpcent, r_name, "portmapper", REST)
FIND(getrpcbynumber, "100000", struct rpcent, r_name, 100000)
FIND_R(getrpcbynumber_r, "100000", struct rpcent, r_name, 100000, REST)
FIND(getaliasbyname, "postmaster", struct aliasent, alias_name, "postmaster")
FIND_R(getaliasbyname_r, "postmaster", struct aliasent, alias_name, "postmaster", REST)

#define PLAIN(symbol, ...)                                                                         \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        CALLED(t, call(__VA_ARGS__));                                                              \
    }
#define PLAIN_VOID(symbol, ...)                                                                    \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        CALLED_VOID(t, call(__VA_ARGS__));                                                         \
    }
PLAIN(getnetbyaddr, 127, AF_INET)

TEST(getnetbyaddr_r, QUICK)
{
    struct netent entry, *found = NULL;
    int host_error = 0;
    CALLED(t, call(127, AF_INET, &entry, space, sizeof(space), &found, &host_error));
}

TEST(getgrouplist, QUICK)
{
    gid_t groups[64] = {0};
    int n = 64;
    expect(t, ST_DNS, "root");
    CALLED(t, call("root", 0, groups, &n));
    digest_number(t, n);
    digest_number(t, groups[0]);
}

/* ---- one after the other ----------------------------------------------------------------------*/

#define NEXT(symbol, end)                                                                          \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        CALLED(t, call());                                                                         \
        end();                                                                                     \
    }
#define NEXT_R(symbol, type, end, ...)                                                             \
    TEST(symbol, QUICK)                                                                            \
    {                                                                                              \
        type entry, *found = NULL;                                                                 \
        int host_error = 0;                                                                        \
        (void)host_error;                                                                          \
        CALLED(t, call(&entry, space, sizeof(space), &found, ##__VA_ARGS__));                      \
        digest_number(t, found != NULL);                                                           \
        end();                                                                                     \
    }
NEXT(gethostent, endhostent)
NEXT_R(gethostent_r, struct hostent, endhostent, &host_error)
NEXT(getpwent, endpwent)
NEXT_R(getpwent_r, struct passwd, endpwent)
NEXT(getgrent, endgrent)
NEXT_R(getgrent_r, struct group, endgrent)
NEXT(getspent, endspent)
NEXT_R(getspent_r, struct spwd, endspent)
NEXT(getservent, endservent)
NEXT_R(getservent_r, struct servent, endservent)
NEXT(getprotoent, endprotoent)
NEXT_R(getprotoent_r, struct protoent, endprotoent)
NEXT(getnetent, endnetent)
NEXT_R(getnetent_r, struct netent, endnetent, &host_error)
PLAIN_VOID(sethostent, 0)
PLAIN_VOID(setpwent)
PLAIN_VOID(setgrent)

/* ---- netgroups: there are none ----------------------------------------------------------------*/

TEST(setnetgrent, QUICK)
{
    expect(t, ST_DNS, "none");
    CALLED(t, call("none"));
    endnetgrent();
}

TEST(getnetgrent, QUICK)
{
    char *host, *user, *domain;
    setnetgrent("none");
    CALLED(t, call(&host, &user, &domain));
    endnetgrent();
}

TEST(getnetgrent_r, QUICK)
{
    char *host, *user, *domain;
    setnetgrent("none");
    CALLED(t, call(&host, &user, &domain, space, sizeof(space)));
    endnetgrent();
}

TEST(innetgr, QUICK)
{
    expect(t, ST_DNS, "none");
    CALLED(t, call("none", "host", "user", "domain"));
}

/* ---- this host, its interfaces and ethers -----------------------------------------------------*/

static const struct ether_addr some_ether = {{2, 0, 0, 0, 0, 1}};

TEST(ether_hostton, QUICK)
{
    struct ether_addr found = {{0}};
    expect(t, ST_DNS, "none");
    CALLED(t, call("none", &found));
}

TEST(ether_ntohost, QUICK)
{
    CALLED(t, call(space, &some_ether));
}

TEST(getifaddrs, QUICK)
{
    struct ifaddrs *list = NULL;
    CALLED(t, call(&list));
    digest_number(t, list != NULL);
    freeifaddrs(list);
}

TEST(if_nameindex, QUICK)
{
    struct if_nameindex *list = CALLED(t, call());
    if (list)
        if_freenameindex(list);
}

TEST(if_indextoname, QUICK)
{
    char name[IF_NAMESIZE] = "";
    CALLED(t, call(1, name));
    digest_text(t, name);
}

PLAIN(if_nametoindex, "lo")
PLAIN(gethostid)

/* What to say about options that do not exist or lack their value. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "util/util.h"

/* `--treshold` → `threshold`; NULL where nothing is near. */
static const char *nearest_option(const char *word, const struct option *options)
{
    const char *names[64];
    size_t count = 0;
    for (; options->name != NULL && count + 1 < COUNT_OF(names); options++)
        names[count++] = options->name;
    names[count] = NULL;
    return nearest_name(word, names);
}

static const char *name_of_value(const struct option *options, int value)
{
    for (; options->name != NULL; options++) {
        if (options->val == value && options->flag == NULL)
            return options->name;
    }
    return NULL;
}

static void complain_unknown_long(const char *command, const struct option *options,
                                  const char *arg)
{
    size_t len = strcspn(arg, "=");
    char *name = mem_printf("%.*s", (int)len, arg);
    const char *near = nearest_option(name + 2, options);
    if (near != NULL)
        complain("%s: unknown option %s; did you mean --%s?", command, name, near);
    else
        complain("%s: unknown option %s; `stalltrace %s --help` lists them", command, name,
                 command);
    free(name);
}

int bad_option(const char *command, const struct option *options, int result, char **argv)
{
    const char *known = optopt != 0 ? name_of_value(options, optopt) : NULL;
    if (result == ':') {
        complain("%s: %s needs a value; see `stalltrace %s --help`", command, argv[optind - 1],
                 command);
    } else if (known != NULL && starts_with(argv[optind - 1], "--")) {
        complain("%s: --%s takes no value; see `stalltrace %s --help`", command, known, command);
    } else if (optopt != 0) {
        complain("%s: unknown option -%c; `stalltrace %s --help` lists them", command, optopt,
                 command);
    } else {
        complain_unknown_long(command, options, argv[optind - 1]);
    }
    return EXIT_ERROR;
}

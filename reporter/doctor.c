/* `stalltrace doctor`: can this program be traced? */
#include "commands.h"
#include "util.h"

int cmd_doctor(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    complain("doctor: is not part of this version; try `stalltrace run -- COMMAND`");
    return EXIT_ERROR;
}

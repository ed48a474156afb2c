/* The STALLTRACE_* variables that `stalltrace run` was started with. */
#ifndef STALLTRACE_RUN_ENVIRONMENT_H
#define STALLTRACE_RUN_ENVIRONMENT_H

/* Are the settings in the environment understood? Names those that do not exist. Returns 0, or
 * -EINVAL after a complaint. */
int check_environment(void);

#endif

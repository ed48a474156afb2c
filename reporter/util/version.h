/* The version, from configure where there is one. */
#ifndef STALLTRACE_VERSION_H
#define STALLTRACE_VERSION_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#define STALLTRACE_VERSION PACKAGE_VERSION
#else
#define STALLTRACE_VERSION "0.1.0"
#endif

#endif

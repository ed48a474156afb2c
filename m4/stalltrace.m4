# ST_CHECK_CFLAGS(VARIABLE, FLAGS): those of FLAGS that the compiler understands.
AC_DEFUN([ST_CHECK_CFLAGS], [
    $1=
    for st_flag in $2; do
        AC_MSG_CHECKING([whether $CC understands $st_flag])
        st_saved_CFLAGS=$CFLAGS
        CFLAGS="$CFLAGS -Werror $st_flag"
        AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
            [AC_MSG_RESULT([yes]); $1="$$1 $st_flag"], [AC_MSG_RESULT([no])])
        CFLAGS=$st_saved_CFLAGS
    done
])

# ST_CHECK_LIB(PREFIX, LIBRARY, FUNCTION, [IF-NOT-FOUND]): a library without a .pc file, in
# PREFIX_LIBS. Never in LIBS, which would link it to the preloaded object as well.
AC_DEFUN([ST_CHECK_LIB], [
    AC_CHECK_LIB([$2], [$3], [$1_LIBS=-l$2], [$4])
    AC_SUBST([$1_LIBS])
])

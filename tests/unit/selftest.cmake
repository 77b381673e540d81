# host/src/selftest on rewards made for it; the command's test runs it on real ones.
if(TARGET hnhost_internal)
  hn_add_test(NAME selftest_checks_test SOURCES unit/selftest_checks_test.cpp LIBS hnhost_internal LABELS unit)
endif()

# host/src/search on a toy objective.
if(TARGET hnhost_internal)
  hn_add_test(NAME search_test SOURCES unit/search_methods_test.cpp LIBS hnhost_internal LABELS unit)
endif()

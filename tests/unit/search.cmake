# host/src/search on a toy objective, and what headroom's verdict stands on.
if(TARGET hnhost_internal)
  hn_add_test(NAME search_test SOURCES unit/search_methods_test.cpp unit/scoring_headroom_test.cpp LIBS hnhost_internal LABELS unit)
endif()

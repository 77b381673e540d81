# Pulling weights, from a hub on the loopback interface. The library exports hnhost_* only, so the tests link its objects; HTTP is
# the module as it is installed.
if(TARGET hnhost_internal AND TARGET hnhost_http)
  hn_add_test(NAME pull_test
    SOURCES unit/pull_cache_test.cpp unit/pull_places_test.cpp unit/pull_pull_test.cpp support/fake_hub.cpp
    LIBS hnhost_internal LABELS unit)
  target_compile_definitions(pull_test PRIVATE HN_HTTP_MODULE="$<TARGET_FILE:hnhost_http>" HN_FAKES="${PROJECT_BINARY_DIR}/tests/fakes")
  add_dependencies(pull_test hnhost_http)
endif()

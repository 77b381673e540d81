# Plugins in worker processes: the protocol, shared memory, the proxy, crashes, the sandbox. And what the contract suite's helper
# process says. No LibTorch.
if(NOT TARGET hnhost-worker)
  return()
endif()
foreach(name worker_messages_test worker_tensors_test worker_policy_test worker_plugin_test validate_helper_row_test)
  hn_add_test(NAME ${name} SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/${name}.cpp LIBS hnhost_internal LABELS unit)
  target_compile_definitions(${name} PRIVATE HN_WORKER_PROGRAM="$<TARGET_FILE:hnhost-worker>")
endforeach()
# The bundle of tests/support is declared after this file is read.
add_dependencies(worker_plugin_test hnhost-worker redness_bundle wild_bundle)
if(HN_WITH_LIBTORCH)
  add_dependencies(worker_plugin_test clip_bundle)
endif()

# The host's side of memory: budgets and how they are written.
if(TARGET hnhost_core_parts)
  hn_add_test(NAME core_memory_budget_test SOURCES unit/core_memory_budget_test.cpp LIBS hnhost_core_parts TORCH LABELS unit)
  if(TARGET sana_sprint_bundle AND TARGET redness_bundle)
    hn_add_test(NAME core_memory_test SOURCES unit/core_memory_test.cpp LIBS hnhost_core_parts hn::nn ${CMAKE_DL_LIBS}
                TORCH LABELS slow)
    add_dependencies(core_memory_test sana_sprint_bundle redness_bundle)
  endif()
endif()
if(TARGET hnhost_internal)
  hn_add_test(NAME support_byte_size_test SOURCES unit/support_byte_size_test.cpp LIBS hnhost_internal LABELS unit)
endif()

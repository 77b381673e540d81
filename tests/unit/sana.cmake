# The SANA-Sprint generator: parity with the references, then the plugin through its ABI.
if(TARGET sana_sprint_model)
  hn_add_test(NAME sana_golden_test SOURCES golden/sana_sprint/golden_test.cpp LIBS sana_sprint_model TORCH LABELS golden TIMEOUT 600)
  hn_add_test(NAME sana_plugin_test SOURCES unit/sana_plugin_test.cpp unit/sana_load_test.cpp LIBS hn::formats ${CMAKE_DL_LIBS}
              TORCH LABELS unit)
  add_dependencies(sana_plugin_test sana_sprint_bundle)
  hn_add_test(NAME sana_published_test SOURCES unit/sana_published_test.cpp LIBS sana_sprint_model TORCH LABELS unit golden)
  hn_add_test(NAME sana_full_size_test SOURCES unit/sana_full_size_test.cpp LIBS sana_sprint_model TORCH LABELS slow TIMEOUT 1200)
  hn_add_test(NAME sana_memory_test SOURCES unit/sana_memory_test.cpp LIBS hn::nn ${CMAKE_DL_LIBS} TORCH LABELS unit)
  add_dependencies(sana_memory_test sana_sprint_bundle)
  hn_add_test(NAME sana_fused_test SOURCES unit/sana_fused_test.cpp LIBS hn::nn TORCH LABELS unit)
endif()

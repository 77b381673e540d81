# The SD-Turbo generator: parity with the references, then the plugin through its ABI.
if(TARGET sd_turbo_model)
  hn_add_test(NAME sd_turbo_golden_test SOURCES golden/sd_turbo/golden_test.cpp LIBS sd_turbo_model TORCH LABELS golden TIMEOUT 600)
  hn_add_test(NAME sd_turbo_published_test SOURCES unit/sd_turbo_published_test.cpp LIBS sd_turbo_model TORCH LABELS unit golden)
  hn_add_test(NAME sd_turbo_full_size_test SOURCES unit/sd_turbo_full_size_test.cpp LIBS sd_turbo_model TORCH LABELS slow TIMEOUT 1200)
  hn_add_test(NAME sd_turbo_plugin_test SOURCES unit/sd_turbo_plugin_test.cpp unit/sd_turbo_load_test.cpp LIBS hn::formats ${CMAKE_DL_LIBS}
              TORCH LABELS unit)
  add_dependencies(sd_turbo_plugin_test sd_turbo_bundle)
endif()

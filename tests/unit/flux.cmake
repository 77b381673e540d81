# The FLUX generator: parity with the references, then the plugin through its ABI.
if(TARGET flux_schnell_model)
  find_package(ZLIB REQUIRED)
  hn_add_test(NAME flux_schnell_golden_test SOURCES golden/flux_schnell/golden_test.cpp LIBS flux_schnell_model ZLIB::ZLIB TORCH LABELS golden TIMEOUT 600)
  hn_add_test(NAME flux_schnell_plugin_test SOURCES unit/flux_schnell_plugin_test.cpp unit/flux_schnell_load_test.cpp
              LIBS hn::formats ${CMAKE_DL_LIBS} TORCH LABELS unit)
  add_dependencies(flux_schnell_plugin_test flux_schnell_bundle)
  hn_add_test(NAME flux_full_size_test SOURCES unit/flux_full_size_test.cpp LIBS flux_schnell_model TORCH LABELS slow TIMEOUT 2400)
endif()

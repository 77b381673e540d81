# The C++ layer and the LibTorch layer of the SDK.
set(sdk ${CMAKE_SOURCE_DIR}/tests/unit)
hn_add_test(NAME sdk_error_test SOURCES ${sdk}/sdk_error_test.cpp LIBS hn::sdk LABELS unit)
hn_add_test(NAME sdk_firewall_test SOURCES ${sdk}/sdk_firewall_test.cpp LIBS hn::sdk ${CMAKE_DL_LIBS} LABELS unit)
add_dependencies(sdk_firewall_test throwing_bundle)
if(HN_WITH_LIBTORCH)
  hn_add_test(NAME sdk_torch_test SOURCES ${sdk}/sdk_torch_test.cpp ${sdk}/sdk_torch_modes_test.cpp LIBS hn::sdk TORCH LABELS unit)
endif()

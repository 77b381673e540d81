# The small rewards in plain C: their formulas once more, and pictures whose score is known.
if(HN_BUILD_PLUGINS)
  hn_add_test(NAME reward_small_test SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/reward_small_test.cpp LIBS hn::sdk ${CMAKE_DL_LIBS} LABELS unit)
  foreach(name brightness colourfulness jpeg_size noise_penalty palette saturation sharpness symmetry)
    add_dependencies(reward_small_test ${name}_bundle)
  endforeach()
endif()

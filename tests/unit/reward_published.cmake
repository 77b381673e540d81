# hps, pickscore, aesthetic, and clip in OpenCLIP's layout: against their reference packages, on small models in the published formats.
if(NOT HN_BUILD_PLUGINS OR NOT HN_WITH_LIBTORCH)
  return()
endif()
set(packed ${PROJECT_SOURCE_DIR}/tests/golden/clip_rewards)
set(unpacked ${PROJECT_BINARY_DIR}/golden/clip_rewards)
file(GLOB_RECURSE packed_files CONFIGURE_DEPENDS ${packed}/*)
add_custom_command(OUTPUT ${unpacked}/done
  COMMAND ${CMAKE_COMMAND} -DFROM=${packed} -DTO=${unpacked}
          -DTOKENIZER=${PROJECT_SOURCE_DIR}/plugins/rewards/clip/weights/tiny-clip -P ${packed}/unpack.cmake
  COMMAND ${CMAKE_COMMAND} -E touch ${unpacked}/done
  DEPENDS ${packed_files} VERBATIM COMMENT "Unpacking tests/golden/clip_rewards")
add_custom_target(clip_rewards_golden ALL DEPENDS ${unpacked}/done)

hn_add_test(NAME reward_published_test SOURCES unit/reward_published_test.cpp unit/reward_published_errors_test.cpp
  LIBS hn::formats ${CMAKE_DL_LIBS} LABELS unit golden)
add_dependencies(reward_published_test clip_rewards_golden clip_bundle hps_bundle pickscore_bundle aesthetic_bundle)

hn_add_test(NAME reward_full_size_test TORCH SOURCES unit/reward_full_size_test.cpp ${PROJECT_SOURCE_DIR}/plugins/rewards/aesthetic/head.cpp
  LIBS hn::nn LABELS unit golden)

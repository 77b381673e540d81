# What the text-to-image plugins share, and the three of them: parity with the references, then the plugins through their ABI.
if(TARGET hn::generator)
  hn_add_test(NAME generator_problems_test SOURCES unit/generator_pipeline_problems_test.cpp unit/generator_prompts_test.cpp LIBS hn::generator TORCH LABELS unit)

  # hn_add_generator_tests(NAME PREFIX TIMEOUT): one program of the bodies that all share, over what golden_test.cpp says of it.
  function(hn_add_generator_tests NAME PREFIX TIMEOUT)
    hn_add_test(NAME ${PREFIX}_golden_test SOURCES golden/${NAME}/golden_test.cpp golden/generator/case.cpp golden/generator/parity_test.cpp
                golden/generator/published_test.cpp LIBS ${NAME}_model ZLIB::ZLIB TORCH LABELS golden TIMEOUT 600)
    hn_add_test(NAME ${PREFIX}_full_size_test SOURCES unit/${PREFIX}_full_size_test.cpp LIBS ${NAME}_model TORCH LABELS slow
                TIMEOUT ${TIMEOUT})
  endfunction()
  if(TARGET sana_sprint_model)
    find_package(ZLIB REQUIRED)
    hn_add_generator_tests(sana_sprint sana 1200)
    hn_add_generator_tests(sd_turbo sd_turbo 1200)
    hn_add_generator_tests(flux_schnell flux_schnell 2400)
    hn_add_test(NAME generator_plugin_test SOURCES unit/generator_plugin_test.cpp unit/generator_load_test.cpp
                LIBS hn::formats ${CMAKE_DL_LIBS} TORCH LABELS unit)
    hn_add_test(NAME sana_memory_test SOURCES unit/sana_memory_test.cpp LIBS hn::nn ${CMAKE_DL_LIBS} TORCH LABELS unit)
    add_dependencies(generator_plugin_test sana_sprint_bundle sd_turbo_bundle flux_schnell_bundle)
    add_dependencies(sana_memory_test sana_sprint_bundle)
    hn_add_test(NAME sana_fused_test SOURCES unit/sana_fused_test.cpp LIBS hn::nn TORCH LABELS unit)
  endif()
endif()

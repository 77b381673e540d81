# What the templates and their blocks promise, beside the builds of tests/install.
hn_add_test(NAME template_program_test LABELS unit
  SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/template_program_test.cpp ${PROJECT_SOURCE_DIR}/templates/reward_score_only/program.cpp
  LIBS hn::sdk)
if(TARGET hn::reward)
  hn_add_test(NAME reward_text_test TORCH LABELS unit SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/reward_text_test.cpp LIBS hn::reward)
  hn_add_test(NAME nn_lora_targets_test TORCH LABELS unit SOURCES ${PROJECT_SOURCE_DIR}/tests/unit/nn_lora_targets_test.cpp LIBS hn::nn)
endif()

# What the text-to-image plugins share.
if(TARGET hn::generator)
  hn_add_test(NAME generator_problems_test SOURCES unit/generator_pipeline_problems_test.cpp LIBS hn::generator TORCH LABELS unit)
endif()

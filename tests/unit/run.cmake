# host/src/run: writers, statistics, run directories, reports. The library exports hnhost_* only, so the tests link its objects.
if(TARGET hnhost_internal)
  hn_add_test(NAME run_test
    SOURCES unit/run_append_file_test.cpp unit/run_compare_test.cpp unit/run_decode_image_test.cpp unit/run_evaluate_test.cpp unit/run_event_file_test.cpp
      unit/run_image_test.cpp unit/run_metrics_test.cpp unit/run_new_project_test.cpp
      unit/run_report_test.cpp unit/run_run_directory_test.cpp unit/run_scores_file_test.cpp unit/run_statistics_test.cpp
      unit/run_summary_test.cpp unit/run_svg_test.cpp unit/run_tensor_file_test.cpp
    LIBS hnhost_internal LABELS unit)
endif()

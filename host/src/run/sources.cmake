# Run directories, training, search at test time, the verbs over files, new projects.
target_sources(hnhost_lib PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/adapter_folder.cpp
  ${CMAKE_CURRENT_LIST_DIR}/diagnose_job.cpp
  ${CMAKE_CURRENT_LIST_DIR}/finished_run.cpp
  ${CMAKE_CURRENT_LIST_DIR}/folder_lock.cpp
  ${CMAKE_CURRENT_LIST_DIR}/found_folder.cpp
  ${CMAKE_CURRENT_LIST_DIR}/headroom_job.cpp
  ${CMAKE_CURRENT_LIST_DIR}/job.cpp
  ${CMAKE_CURRENT_LIST_DIR}/model_request.cpp
  ${CMAKE_CURRENT_LIST_DIR}/net_speed.cpp
  ${CMAKE_CURRENT_LIST_DIR}/new_project.cpp
  ${CMAKE_CURRENT_LIST_DIR}/reward_speed.cpp
  ${CMAKE_CURRENT_LIST_DIR}/run_directory.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sample_files.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sample_folder.cpp
  ${CMAKE_CURRENT_LIST_DIR}/score_files.cpp
  ${CMAKE_CURRENT_LIST_DIR}/search_job.cpp
  ${CMAKE_CURRENT_LIST_DIR}/search_setup.cpp
  ${CMAKE_CURRENT_LIST_DIR}/try_job.cpp
  ${CMAKE_CURRENT_LIST_DIR}/validation.cpp)

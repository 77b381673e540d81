# cmake -DSOURCE=TREE -DTO=FOLDER -P data.cmake
# Gathers what the GPU tests read: small models unpacked, lists and configurations of the published ones. A few MiB.
set(golden ${SOURCE}/tests/golden)
file(REMOVE_RECURSE ${TO})
# With what links point to.
function(gather from to)
  execute_process(COMMAND ${CMAKE_COMMAND} -E copy_directory ${golden}/${from} ${TO}/${to} COMMAND_ERROR_IS_FATAL ANY)
  file(GLOB values ${TO}/${to}/golden.*)
  if(values)
    file(REMOVE ${values})
  endif()
endfunction()
foreach(folder sd_turbo/plain flux_schnell/plain sd_turbo/published flux_schnell/published sana_sprint/published)
  gather(${folder} ${folder})
endforeach()
foreach(folder clip_rewards/hps_derived clip_rewards/pickscore_safe clip_rewards/aesthetic_mlp image_reward/plain)
  gather(${folder} packed/${folder})
endforeach()
foreach(folder clip_rewards image_reward)
  execute_process(COMMAND ${CMAKE_COMMAND} -DFROM=${TO}/packed/${folder} -DTO=${TO}/${folder}
    -DTOKENIZER=${SOURCE}/plugins/rewards/clip/weights/tiny-clip -P ${golden}/clip_rewards/unpack.cmake COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(REMOVE_RECURSE ${TO}/packed)

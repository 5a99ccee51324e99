# fs_embed_file(DECLARATIONS NAME TYPE INPUT [ALIGNMENT]): appends to the variable DECLARATIONS the C++ text that puts INPUT into the program as
# TYPE NAME[] up to NAME_end, with a zero byte behind. The assembler takes the file (.incbin): nothing is converted, compiling takes no time.
macro(fs_embed_file declarations name type input)
  set(fs_align "")
  if(${ARGC} GREATER 4)
    set(fs_align ".balign ${ARGV4}\\n")
  endif()
  string(APPEND ${declarations} "__asm__(\".pushsection .rodata\\n${fs_align}.global ${name}\\n${name}:\\n.incbin \\\"${input}\\\"\\n.global ${name}_end\\n${name}_end:\\n.byte 0\\n.popsection\\n\");\n")
  string(APPEND ${declarations} "extern \"C\" const ${type} ${name}[], ${name}_end[];\n")
endmacro()

/* Put before every C++ file of llama.cpp where the processor has AMX (see the Makefile and docs/decisions/0039).
 *
 * GCC's own _tile_loadconfig says that it reads 8 bytes of the 64 that the processor reads. The optimizer then drops the
 * stores of the others, and the first large batch ends the process with a general protection fault. Here it says 64.
 * Clang knows the instruction. The text is how rag/llm/tiles.py recognises a library that was built with this file. */
#if defined(__cplusplus) && defined(__AMX_TILE__)
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%X0" ::"m"(*(const char(*)[64])(config)))
#endif
namespace {
__attribute__((used)) const char footnote_whole_tiles[] = "footnote: whole tile configuration";
}
#endif

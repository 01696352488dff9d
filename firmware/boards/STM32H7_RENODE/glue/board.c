#include "../../STM32F746_RENODE/glue/board.c"

#include "../../MPS2_AN385/glue/lwpy_config.h"

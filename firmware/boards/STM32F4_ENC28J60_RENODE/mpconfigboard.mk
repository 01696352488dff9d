include $(BOARD_DIR)/../STM32F4_RENODE/mpconfigboard.mk

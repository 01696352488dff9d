include $(USERMOD_DIR)/../../STM32F746_RENODE/glue/micropython.mk

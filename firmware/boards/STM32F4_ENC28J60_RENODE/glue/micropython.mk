include $(USERMOD_DIR)/../../MPS2_AN385/glue/micropython.mk

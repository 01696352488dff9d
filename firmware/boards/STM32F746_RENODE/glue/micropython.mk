include $(USERMOD_DIR)/../../MPS2_AN385/glue/micropython.mk
LDFLAGS_USERMOD += $(addprefix $(LWPY_LD)--wrap=, uart_init uart_tx_strn)

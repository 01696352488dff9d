// The STM32F4's module, and machine.SPI(1): SPI1 (RM0090 chapter 28) as master, mode 0, 10.5 MHz, on
// PA5 to PA7. Its methods are MicroPython's.
#include "../../STM32F4_RENODE/glue/board.c"
#include "extmod/modmachine.h"

#define GPIOA_MODER REG(0x40020000)
#define GPIOA_AFRL REG(0x40020020)
#define RCC_AHB1ENR REG(0x40023830)
#define RCC_APB2ENR REG(0x40023844)
#define SPI_CR1 REG(0x40013000)
#define SPI_SR REG(0x40013008)
#define SPI_DR REG(0x4001300C)
#define SPI_SR_RXNE (1)

// SSM, SSI: the chip select is no business of the SPI's. SPE, PCLK2 / 8, MSTR.
#define SPI_MASTER (1 << 9 | 1 << 8 | 1 << 6 | 2 << 3 | 1 << 2)

static mp_obj_t spi_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    static const mp_obj_base_t spi1 = { &machine_spi_type };
    mp_arg_check_num(n_args, n_kw, 1, 1, false);
    if (mp_obj_get_int(args[0]) != 1) {
        mp_raise_ValueError(MP_ERROR_TEXT("this board has SPI(1)"));
    }
    RCC_AHB1ENR |= 1;
    RCC_APB2ENR |= 1 << 12;
    GPIOA_AFRL = (GPIOA_AFRL & 0x000FFFFF) | 0x55500000;
    GPIOA_MODER = (GPIOA_MODER & 0xFFFF03FF) | 0x0000A800;
    SPI_CR1 = SPI_MASTER;
    return MP_OBJ_FROM_PTR(&spi1);
}

static void spi_transfer(mp_obj_base_t *self, size_t len, const uint8_t *src, uint8_t *dest) {
    for (size_t i = 0; i < len; i++) {
        SPI_DR = src[i];
        while (!(SPI_SR & SPI_SR_RXNE)) {
        }
        uint8_t c = SPI_DR;
        if (dest != NULL) {
            dest[i] = c;
        }
    }
}

static const mp_machine_spi_p_t spi_p = { .transfer = spi_transfer };

MP_DEFINE_CONST_OBJ_TYPE(
    machine_spi_type, MP_QSTR_SPI, MP_TYPE_FLAG_NONE,
    make_new, spi_make_new, protocol, &spi_p, locals_dict, &mp_machine_spi_locals_dict
    );

*** Comments ***
For renode-test; another board of emulator/renode.py's MACHINES is told by three variables:
    make build/STM32F4_ENC28J60_RENODE.elf
    renode-test --variable ELF:$PWD/build/STM32F4_ENC28J60_RENODE.elf
    ...  --variable PLATFORM:stm32f4_enc28j60 --variable ETHERNET:sysbus.spi1.spi.enc28j60
    ...  emulator/renode/board.robot

*** Variables ***
${ELF}          ${CURDIR}/../../build/STM32F4_RENODE.elf
${PLATFORM}     stm32f4
${ETHERNET}     sysbus.ethernet
${BOARD MAC}    02000A4D0002
${OUR MAC}      020000000001
${BOARD IP}     0A4D0002
${OUR IP}       0A4D0001

*** Keywords ***
Boot
    Execute Command         $elf=@${ELF}
    Execute Command         $platform=@${CURDIR}/${PLATFORM}.repl
    Execute Command         $ethernet="${ETHERNET}"
    Execute Script          ${CURDIR}/board.resc
    Create Terminal Tester  sysbus.usart1  timeout=20
    Create Network Interface Tester  ${ETHERNET}
    Start Emulation
    Wait For Line On Uart   The heap is locked
    Wait For Line On Uart   Serving http://10.77.0.2/

Send With FCS
    [Arguments]             ${hex}
    ${frame}=               Evaluate  bytes.fromhex($hex)
    ${fcs}=                 Evaluate  zlib.crc32($frame).to_bytes(4, "little").hex()  modules=zlib
    Send Frame              ${hex}${fcs}

*** Test Cases ***
Should Answer ARP
    Boot
    Send With FCS           FFFFFFFFFFFF${OUR MAC}08060001080006040001${OUR MAC}${OUR IP}000000000000${BOARD IP}
    Wait For Outgoing Packet With Bytes At Index
    ...    ${OUR MAC}${BOARD MAC}08060001080006040002${BOARD MAC}${BOARD IP}${OUR MAC}${OUR IP}  0  10  10

Should Stop At Ctrl C
    Boot
    Write Char On Uart      ${3}
    Wait For Line On Uart   Stopped. The server goes on in the background
    Write Line To Uart      print(6 * 7)
    Wait For Line On Uart   42

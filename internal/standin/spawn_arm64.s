#include "textflag.h"

#define SYS_clone 220

// func spawnOn(flags, top uintptr) (pid int)
TEXT ·spawnOn(SB), NOSPLIT|NOFRAME, $0-24
	MOVD	flags+0(FP), R0
	MOVD	top+8(FP), R1
	MOVD	ZR, R2
	MOVD	ZR, R3
	MOVD	ZR, R4
	MOVD	$SYS_clone, R8
	SVC
	CBZ	R0, child
	MOVD	R0, pid+16(FP)
	RET

child:
	MOVD	ZR, R29
	CALL	·run(SB)
	UNDEF

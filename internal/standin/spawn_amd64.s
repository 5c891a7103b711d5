#include "textflag.h"

#define SYS_clone 56

// func spawnOn(flags, top uintptr) (pid int)
TEXT ·spawnOn(SB), NOSPLIT|NOFRAME, $0-24
	MOVQ	flags+0(FP), DI
	MOVQ	top+8(FP), SI
	XORL	DX, DX
	XORL	R10, R10
	XORL	R8, R8
	MOVL	$SYS_clone, AX
	SYSCALL
	TESTQ	AX, AX
	JEQ	child
	MOVQ	AX, pid+16(FP)
	RET

child:
	XORL	BP, BP
	CALL	·run(SB)
	UNDEF

package meter

// What a module may declare. Compilers stay far below these figures; a module above them would have a runtime allocate
// or compile out of proportion to its size: wazero's compiler takes time with the square of a function's branches. Most
// others are those of the WebAssembly JavaScript interface, or below.
const (
	maxTypes       = 1 << 16
	maxTypeValues  = 1000    // parameters, and results, of one function type
	maxTypesValues = 1 << 20 // of all function types: a runtime makes code for each that enters a function of that type
	maxImports     = 1 << 12
	maxFunctions   = 1 << 17
	maxTables      = 16
	maxGlobals     = 1 << 12
	maxExports     = 1 << 16
	maxSegments    = 1 << 16
	maxElements    = 1 << 20 // entries of all element segments
	maxLocals      = 50_000 - numScratch
	maxAllLocals   = 1 << 23
	maxNesting     = 10_000  // blocks within blocks
	maxLoopNesting = 500     // loops within loops
	maxBranches    = 32_000  // blocks, straight pieces of code and labels of tables in one function
	maxAllBranches = 1 << 30 // the squares of these, over all functions: a Go guest of 3 MB has 1 << 26
	maxMerges      = 1 << 21 // branches times locals of one function: what a compiler may have to merge
	maxBodyBytes   = 1 << 20 // of one function
	maxReloads     = 1 << 20 // calls times mutable globals of one function: a compiler may read all of them again behind each call
	maxAllReloads  = 1 << 24 // of all functions
	maxDeclared    = 1 << 26 // functions times globals: a compiler declares all of them in each
	maxMoved       = 1 << 24 // values that all calls and branches of the code name
	maxModuleBytes = 1 << 28 // of the rewritten module
)

// Names of the features that are refused.
const (
	featureSIMD          = "SIMD (vector instructions)"
	featureThreads       = "threads (shared memory and atomics)"
	featureExceptions    = "exceptions"
	featureTailCalls     = "tail calls"
	featureGC            = "garbage collection and typed references"
	featureMemory64      = "memory64"
	featureMultiMemory   = "multiple memories"
	featureImportMemory  = "imported memory"
	featureExtendedConst = "extended constant expressions"
	featureTableInit     = "tables with an initialiser"
)

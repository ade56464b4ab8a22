;; Lacks kv_alloc.
(module
  (memory (export "memory") 2)
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "handle_conflict") (param i32) (result i32) (i32.const 0))
)

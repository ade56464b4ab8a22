;; Speaks another version of the contract.
(module
  (memory (export "memory") 2)
  (func (export "kv_abi_version") (result i32) (i32.const 2))
  (func (export "kv_alloc") (param i32) (result i32) (i32.const 1024))
  (func (export "handle_conflict") (param i32) (result i32) (i32.const 0))
)

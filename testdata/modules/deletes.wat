;; Of a delete beside a value it lets the delete win where the key begins with d, and the value elsewhere.
(module
  (memory (export "memory") 2)
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "kv_alloc") (param i32) (result i32)
    (select (i32.const 1024) (i32.const 0) (i32.le_u (local.get 0) (i32.const 65536))))
  (func (export "handle_conflict") (param $f i32) (result i32)
    ;; Which of the two is the delete: 0 when the flags of the first version say so, else 1. That, or the other one.
    (i32.store offset=56 (local.get $f)
      (i32.xor
        (i32.eqz (i32.and (i32.load offset=88 (local.get $f)) (i32.const 1)))
        (i32.ne (i32.load8_u (i32.load offset=8 (local.get $f))) (i32.const 0x64))))
    (i32.const 3)))

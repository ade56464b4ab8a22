;; Counts its calls in a table, which nobody can put back: the entries that are not null.
(module
  (memory (export "memory") 2)
  (table $t 8 funcref)
  (elem declare func $key)
  (func (export "kv_abi_version") (result i32) (i32.const 1))
  (func (export "kv_alloc") (param $n i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $n) (i32.const 65536))))
  ;; $key is the first byte of the key.
  (func $key (param $f i32) (result i32) (i32.load8_u (i32.load offset=8 (local.get $f))))
  ;; $set answers SET with n bytes at p.
  (func $set (param $f i32) (param $p i32) (param $n i32) (result i32)
    (i32.store offset=40 (local.get $f) (local.get $p))
    (i32.store offset=44 (local.get $f) (local.get $n))
    (i32.const 1))
  (func (export "handle_conflict") (param $f i32) (result i32) (local $i i32)
    (loop $next
      (if (i32.eqz (ref.is_null (table.get $t (local.get $i)))) (then
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next))))
    (table.set $t (local.get $i) (ref.func $key))
    (i32.store (i32.const 16) (local.get $i))
    (call $set (local.get $f) (i32.const 16) (i32.const 4))))
